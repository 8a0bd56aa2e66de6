"""Responses over the rate of arrivals: the hockey stick."""
