//! Arguments and help of the verb that runs a command for each job.

use std::ffi::OsString;
use std::num::NonZeroU64;

use clap::Args;

use super::Attaching;

#[derive(Debug, Args)]
#[command(override_usage = "\
shmring work [OPTIONS] <NAME> -- <CMD>...
       shmring work [OPTIONS] --socket <PATH> -- <CMD>...")]
#[command(after_help = "\
Examples:
  shmring work jobs -- wc -c
  shmring work jobs --parallel 4 -- sh -c 'cat > job-$SHMRING_POSITION'
  shmring work jobs --max-attempts 3 -- sha256sum

Takes the jobs of a job ring (`shmring create --kind jobs`) and runs CMD for
each, with the bytes of the job as its stdin, which is a file. CMD also gets
SHMRING_ATTEMPTS, how often the job was taken, this time included, and
SHMRING_POSITION, which no other job of the ring has. Its stdout and stderr are
those of `work`.

If CMD exits with code 0, the job is acknowledged and never comes back.
Otherwise the job goes back to the ring, for this process or another one: after
a pause of 100 ms at the first attempt, twice as long at each further one, 10 s
at most. Meanwhile other jobs are done. If a process that has 7 such jobs gets
no further, more workers help. If CMD cannot be started, the job goes back, and
`work` exits with code 1.

With `--max-attempts N`, a job that failed N times, killed workers included,
ends `work` with code 1 and a message that names its position. The job stays in
the ring and comes first: `shmring recv NAME --count 1 > file` takes it out.

`work` ends when every job is acknowledged and no sender is left. On SIGINT,
SIGTERM, SIGHUP or SIGQUIT it takes no more jobs, waits for the commands that
run, and dies of that signal. Ctrl-C on a terminal reaches the commands as
well. If `work` is killed, its jobs come back at once, while its commands may
still run: make CMD safe to repeat.")]
pub(crate) struct WorkArgs {
    #[command(flatten)]
    pub(crate) attaching: Attaching,
    /// Run up to N commands at once; each takes a handle of the segment
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=252))]
    pub(crate) parallel: u16,
    /// Exit with code 1 when a job has failed N times
    #[arg(long, value_name = "N")]
    pub(crate) max_attempts: Option<NonZeroU64>,
    /// Command to run for each job, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}
