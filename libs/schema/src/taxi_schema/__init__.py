"""The schema of a tabular regression model, and everything that follows from it alone.

Reading and checking the file, parsing requests and labels, records, the features of a row and
of columns, slices, probes, the signature of a graph, compatibility of two schemas. Only the
package `taxi_schema.columns` needs numpy.
"""
