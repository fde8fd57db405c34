"""Jobs: the queue of the workers, the outbox on the way there, and jobs that were lost."""
