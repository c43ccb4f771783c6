#!/bin/sh
# Prolog of Slurm: holds the GPUs of a job at the power limit that the site gives to jobs, until the epilog.
# In slurm.conf: Prolog=/etc/slurm/joulewise-prolog.sh, and Epilog=/etc/slurm/joulewise-epilog.sh.
# What cannot be held never keeps a job from starting; the agent's audit log says what happened.
set -u
[ -r /etc/joulewise/slurm.env ] && . /etc/joulewise/slurm.env
: "${JOULEWISE:=/usr/local/bin/joulewise}" "${JOULEWISE_RUN:=/run/joulewise-slurm}" "${JOULEWISE_JOB_DEVICES:=}"
[ -n "${JOULEWISE_JOB_SETTING:-}" ] || exit 0 # such as power_limit=300

# The indices of the job's GPUs, in the order of PCI addresses; the agent orders them so as well.
devices=$JOULEWISE_JOB_DEVICES
if [ -z "$devices" ]; then
    for index in $(printf %s "${SLURM_JOB_GPUS:-}" | tr , ' '); do
        devices="$devices${devices:+,}agent:#$index"
    done
fi
[ -n "$devices" ] || exit 0

mkdir -p -m 0700 "$JOULEWISE_RUN" || exit 0
pid_file="$JOULEWISE_RUN/job-${SLURM_JOB_ID:?}.pid" log="$JOULEWISE_RUN/job-$SLURM_JOB_ID.log"
setsid "$JOULEWISE" agent hold --device "$devices" --set "$JOULEWISE_JOB_SETTING" </dev/null >"$log" 2>&1 &
pid=$!
echo "$pid" >"$pid_file"
# Slurm ends what a prolog leaves in its own process group, and the job should start with the limit in force.
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    grep -q holding "$log" && break
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.5
done
exit 0
