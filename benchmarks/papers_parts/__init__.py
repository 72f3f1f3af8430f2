"""The parts of benchmarks/papers.py that compute something: toys in seconds, MNIST in minutes."""
