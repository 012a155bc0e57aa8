"""The demo: two invented hospitals with their staff and patients, real and computed pictures, sent through the real doors."""
