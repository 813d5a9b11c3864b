"""Global quotas without a coordinator: rights that lie in accounts and move between them.

../../account.py, beside the books: what one of them holds, and its transfers with others. Only that must be durable.

chain       the operator's documents, and which of them may follow on which
documents   how they come into force in a region, and spread
keeping     the keeper: what a document mints and owes
holders     the accounts that a region speaks for, and the way to others
needs       what jobs need
waiting     jobs that wait for rights
wishes      who lacks rights, and who might have some             (hints: nothing that must be safe reads them)
lending, borrowing   what is given to others, and asked of them
telling     what gossip, callers and operators are told
escrow      the door, and the step
"""
