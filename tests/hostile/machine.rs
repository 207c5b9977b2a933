//! What this process has of the machine.

/// Resident memory, threads and open descriptors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) resident: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
}

impl Machine {
    /// Whether nothing stayed behind but so much memory.
    pub(crate) const fn is_back_to(&self, before: &Self, memory: u64) -> bool {
        self.resident <= before.resident + memory
            && self.threads <= before.threads
            && self.descriptors <= before.descriptors
    }

    pub(crate) fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux says");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            number
                .and_then(|n| n.parse::<u64>().ok())
                .expect("a number")
        };
        let descriptors = std::fs::read_dir("/proc/self/fd").expect("Linux says");
        Self {
            resident: field("VmRSS:") << 10,
            threads: field("Threads:"),
            descriptors: descriptors.count() as u64,
        }
    }
}
