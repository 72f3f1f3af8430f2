"""The parts of benchmarks/losses.py: what is run (design), how (runs), where it is kept (units), pages."""
