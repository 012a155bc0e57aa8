"""Principals, actions and the policy: who may do what to which exam, in which scenario. Deny by default."""
