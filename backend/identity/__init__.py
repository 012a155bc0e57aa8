"""Who somebody is: hospitals' records of persons, text message codes, the gate, accounts of staff, sessions and tokens."""
