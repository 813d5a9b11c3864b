"""How cost grows: one measurement at geometrically spaced sizes, and the power of the size that it follows.

axes      what is made larger, from where to where, and the work that is timed at each size
nodes     one region with more and more nodes
jobs      one region with more and more jobs that wait
regions   leagues of more and more regions, under virtual time
points    one size at a time, each in a process of its own, within a bounded time
fitting   exponents with their confidence; whether anything grows faster than n log n
page      the plots
run       the benchmark
"""
