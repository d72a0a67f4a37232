//! How much memory work may take when nobody says so.

/// Half of the memory of the machine, or of the control group that the process is in.
pub fn default_memory() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
    system.total_memory().min(group) / 2
}
