"""Global quotas without a coordinator: rights that lie in accounts and move between them.

account     what one set of books holds, and its transfers with others   (the only part that must be durable)
chain       the operator's documents, and which of them may follow on which
wishes      who lacks rights, and who might have some                    (hints: nothing that must be safe reads them)
waiting     jobs that wait for rights
escrow      the door: all accounts of a region
"""
