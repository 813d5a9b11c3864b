"""The signed roster: who belongs to the league, and how that changes although nobody is in charge of it.

    checks      what must hold of a document by itself, after its predecessor, and of its signatures
    chain       the rosters that were in force here, and the region's configuration that follows from the newest
    ballot      what this member has answered and countersigned
    gathering   a region gathers a majority for an operator, round by round
    voting      both of them in one member, and when it may say anything at all
    keeper      what members tell each other of rosters, and when a new one comes into force: what the Region asks

Theory of operation. A roster of epoch n + 1 is in force if the operator's key of epoch n has signed it and a majority
of the members of epoch n has countersigned it in one round. Whoever gathers in a round first asks a majority what it
has countersigned, and goes on with the latest of that; who answers says nothing in earlier rounds any more. Two
majorities share a member, so that an epoch has one successor at most, however many operators propose at the same time,
and in whatever parts the network lies; and no attempt that was given up hinders the next (single-decree Paxos,
L. Lamport, "The Part-Time Parliament", 1998).

A roster proves itself: it may come by any way, late, doubled, from a region that is no member. So its messages need no
session. A region whose newest roster is older than the one that is told is told so, and otherwise not heard, until it
has fetched what it lacks; one that is not a member any more is told as well.

A founding roster follows on nothing. It is believed only where an operator has put it into the region's
configuration, with the operator's key pinned beside it: that is how a league begins, and how it goes on after a
majority of its members is gone for good.
"""
