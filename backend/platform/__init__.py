"""What every capability stands on and no business word is in: settings, errors, clock, ids, crypto, database, objects, jobs, CPU pool."""
