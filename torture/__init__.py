"""Clients, faults and a checker: they show that no answered sale is lost and none is made twice."""
