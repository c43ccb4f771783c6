"""Every table and figure that README and docs quote, made again from shipped or given data.

Theory of operation. A *study* is a function from `Data` to *exhibits*: tables, drawings or printed text, whose every
number says where it comes from. The catalog knows studies by name and imports them when they are asked for. Studies
run beside each other as points of a sweep; one that fails does not take the others with it, and one whose data was
not given is not run and says so. Exhibits are then written as Markdown and as one HTML page, and `quotes` puts the same
text between the markers of README and docs, so that what a document shows is what a study gives.

Figures of time, which differ from run to run, are no exhibits: they are in `benchmarks/`.
"""
