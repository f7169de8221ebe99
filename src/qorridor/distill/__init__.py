"""Turn two parties' detections into one secret key or an abort.

    COLLECT -> SIFT -> ESTIMATE -> RECONCILE -> VERIFY -> AMPLIFY -> AUTHENTICATE -> RELEASED
         any error at any step -> ABORTED(cause): key zeroised, counts kept

Each party is a generator of steps without I/O (`party`), so both ends run in one test or in two
processes unchanged.
"""
