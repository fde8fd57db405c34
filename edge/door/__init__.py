"""The door: codes are read, passes are redeemed, and a lock opens.

    readers → codes → admission → locks
                        │   ├ ledger, hub     while the cloud is away
                        └───┴ reconciliation  when the cloud is back

Begin to read in `admission`, which holds the rule. `entrance` puts all parts together, and
`docs/door.md` says how to run a door.
"""
