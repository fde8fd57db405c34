"""The worker: does the jobs that an event leaves, and what the cloud has to do from time to time.

`process` starts everything. Jobs: `rq_worker` takes them from the queues, `jobs` does them, and
`sending` sends one message by the rules of its channel. Tasks that repeat in the background:
`scheduler`, `maintenance`, `outages` and `relay`, each as a `cloud.periodic.PeriodicTask`.
"""
