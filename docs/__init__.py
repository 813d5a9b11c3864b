"""What the documentation repeats of the code is written by these modules: `make docs`."""
