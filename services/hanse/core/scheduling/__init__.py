"""What this region runs next: queue, placement, the cycle that joins them, and why a job is not running."""
