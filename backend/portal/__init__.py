"""The patient's pages and the interface that they and other front ends read: lists of exams, one exam, institutions."""
