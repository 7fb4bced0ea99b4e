//! How the `im` dialect is configured.

use crate::dialect::Profile;

/// How the dialect is configured.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// Whether clients of the document or of the running original are served.
    pub profile: Profile,
    /// How many sessions a user may have.
    pub sessions: Sessions,
    /// What the phones of couriers report.
    pub coordinates: Coordinates,
}

/// How many sessions a user may have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sessions {
    /// Any number.
    Multi,
    /// One, the newest.
    #[default]
    Single,
}

/// What a position is converted to WGS-84 from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Coordinates {
    /// That of Baidu's maps.
    Bd09,
    /// That of the other Chinese maps.
    #[default]
    Gcj02,
    /// It is WGS-84 already.
    None,
}
