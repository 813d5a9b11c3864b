"""Vocabulary: resources, jobs, nodes, regions, the life of a job, time, randomness, limits, errors."""
