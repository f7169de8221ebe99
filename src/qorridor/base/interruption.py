"""Whether a signal has asked this process to end before anything listened for it.

An exception that a signal's handler raises can be lost: where Python calls back from C it is printed and
forgotten. Whoever begins to listen looks here first.
"""

came = False
