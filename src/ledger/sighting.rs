//! When a process first saw that the one before it had ended, so that those after it need not wait again as
//! long. Reads the clock since boot: nobody can set it.

use std::time::Duration;

#[cfg(target_os = "linux")]
use jiff::SignedDuration;
use jiff::Timestamp;

/// The length of a boot's id.
const BOOT_BYTES: usize = 16;

/// A time that processes on one machine can compare, until it is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    boot: [u8; BOOT_BYTES],
    /// Milliseconds since the boot; it runs on while the machine sleeps.
    millis: u64,
}

impl Moment {
    /// So long after the boot of this id.
    pub fn new(boot: [u8; BOOT_BYTES], since_boot: Duration) -> Self {
        Self { boot, millis: u64::try_from(since_boot.as_millis()).unwrap_or(u64::MAX) }
    }

    /// Now; `None` where the system does not name its boots.
    #[cfg(target_os = "linux")]
    pub fn now() -> Option<Self> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let boot = hex::decode(id.trim().replace('-', "")).ok()?.try_into().ok()?;
        let shown = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let since = SignedDuration::try_from(Duration::try_from(shown).ok()?).ok()?;
        Some(Self::new(boot, Duration::try_from(since.checked_sub(ahead()?)?).ok()?))
    }

    /// Now; `None` where the system does not name its boots.
    #[cfg(not(target_os = "linux"))]
    pub fn now() -> Option<Self> {
        None
    }

    /// The time since another moment; `None` if that was before the machine was started, or on another one.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        (self.boot == earlier.boot)
            .then(|| self.millis.checked_sub(earlier.millis).map(Duration::from_millis))?
    }
}

/// How far the clock of this process is ahead of the machine's: a container may have a time namespace of its
/// own. `None` if that cannot be known.
#[cfg(target_os = "linux")]
fn ahead() -> Option<SignedDuration> {
    use std::{fs, io::ErrorKind};
    let offsets = match fs::read_to_string("/proc/self/timens_offsets") {
        // A system without time namespaces.
        Err(error) if error.kind() == ErrorKind::NotFound => return Some(SignedDuration::ZERO),
        offsets => offsets.ok()?,
    };
    // The offsets are those of the namespace that children will be in.
    let own = fs::read_link("/proc/self/ns/time").ok()?;
    let is_own = fs::read_link("/proc/self/ns/time_for_children").ok()? == own;
    boottime_offset(&offsets).filter(|_| is_own)
}

/// The offset of the clock since boot, in the lines of `timens_offsets`.
#[cfg(target_os = "linux")]
fn boottime_offset(offsets: &str) -> Option<SignedDuration> {
    let fields = offsets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.into_iter().find_map(|fields| match fields[..] {
        ["boottime", seconds, nanos] => {
            Some(SignedDuration::new(seconds.parse().ok()?, nanos.parse().ok()?))
        }
        _ => None,
    })
}

/// That the process before was seen to have ended, by one that has pushed nobody yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// When.
    pub at: Moment,
    /// Since when the segment before it is where it is: another time in a copy of the ledger.
    pub placed: Timestamp,
}

impl Sighting {
    /// The size in a segment.
    pub(super) const BYTES: usize = BOOT_BYTES + 8 + 16;

    /// The boot, milliseconds since it, and nanoseconds since 1970.
    pub(super) fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..BOOT_BYTES].copy_from_slice(&self.at.boot);
        bytes[BOOT_BYTES..BOOT_BYTES + 8].copy_from_slice(&self.at.millis.to_be_bytes());
        bytes[BOOT_BYTES + 8..].copy_from_slice(&self.placed.as_nanosecond().to_be_bytes());
        bytes
    }

    /// `None` when it is not a time.
    pub(super) fn parse(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (boot, rest) = bytes.split_first_chunk()?;
        let (millis, placed) = rest.split_first_chunk()?;
        let placed = i128::from_be_bytes(placed.try_into().ok()?);
        Some(Self {
            at: Moment { boot: *boot, millis: u64::from_be_bytes(*millis) },
            placed: Timestamp::from_nanosecond(placed).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn moments_of_one_boot_are_compared_and_no_others() {
        let at = |boot, n| Moment::new([boot; BOOT_BYTES], seconds(n));
        assert_eq!(at(1, 30).since(at(1, 20)), Some(seconds(10)));
        assert_eq!(at(1, 20).since(at(1, 30)), None, "a clock since boot never goes back");
        assert_eq!(at(2, 30).since(at(1, 20)), None, "another boot");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_names_its_boots() {
        let earlier = Moment::now().unwrap();
        assert!(Moment::now().unwrap().since(earlier).is_some_and(|since| since < seconds(60)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_offset_of_a_time_namespace_is_read() {
        let offset = |text| boottime_offset(text);
        let none = "monotonic           0         0\nboottime            0         0\n";
        assert_eq!(offset(none), Some(SignedDuration::ZERO));
        let ahead = "monotonic           5         0\nboottime       100000 500000000\n";
        assert_eq!(offset(ahead), Some(SignedDuration::from_millis(100_000_500)));
        let behind = "boottime          -20         0\n";
        assert_eq!(offset(behind), Some(SignedDuration::from_secs(-20)));
        for unknown in ["", "monotonic 5 0", "boottime 5", "boottime x 0"] {
            assert_eq!(offset(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_sighting_is_read_as_written() {
        let placed = Timestamp::new(1_700_000_000, 5).unwrap();
        let sighting = Sighting { at: Moment::new([7; BOOT_BYTES], seconds(9)), placed };
        assert_eq!(Sighting::parse(&sighting.bytes()), Some(sighting));
        assert_eq!(Sighting::parse(&[0xff; Sighting::BYTES]).map(|_| ()), Some(()), "-1 ns");
        let mut beyond = sighting.bytes();
        beyond[BOOT_BYTES + 8] = 0x7f;
        assert_eq!(Sighting::parse(&beyond), None, "no such time");
    }
}
