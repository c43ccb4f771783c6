#!/bin/sh
# Epilog of Slurm: ends what the prolog holds; the agent then puts back what it found. See joulewise-prolog.sh.
set -u
[ -r /etc/joulewise/slurm.env ] && . /etc/joulewise/slurm.env
: "${JOULEWISE_RUN:=/run/joulewise-slurm}"
pid_file="$JOULEWISE_RUN/job-${SLURM_JOB_ID:?}.pid"
[ -r "$pid_file" ] || exit 0
pid=$(cat "$pid_file")
kill -TERM "$pid" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.5
done
kill -KILL "$pid" 2>/dev/null # the agent sees the connection close, and puts back what it found all the same
rm -f "$pid_file" "$JOULEWISE_RUN/job-$SLURM_JOB_ID.log"
exit 0
