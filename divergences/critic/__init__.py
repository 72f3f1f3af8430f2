"""Trained critics: how one bounds a divergence from below, and what it measures."""
