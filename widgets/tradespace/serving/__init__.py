"""Serving under load: arrivals, batches of those that wait, queues, and what a request waits for."""
