"""Vocabulary: resources, jobs, nodes, regions, the life of a job, limits, errors, and the books that hold them."""
