"""What settings cost and how long images wait with them: a simulation in virtual time, with no AWS account.

Its decisions are those of the Lambdas, which it imports; only the world around them is its own.
"""
