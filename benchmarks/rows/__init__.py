"""What ``benchmarks/speed.py`` measures, one file a family: problems, ours, and the peers that can do it."""
