//! Places on the earth.

/// A place on the earth, by WGS-84, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// East of Greenwich, from -180 to 180.
    pub longitude: f64,
    /// North of the equator, up to [`LATITUDE_MAX`] on both sides.
    pub latitude: f64,
}

/// How far from the equator a position may be, in degrees: what Redis takes.
pub const LATITUDE_MAX: f64 = 85.051_128_78;

// === impl Position ===

impl Position {
    /// The place at these degrees, if there is one.
    pub fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let is_place = longitude.abs() <= 180.0 && latitude.abs() <= LATITUDE_MAX;
        is_place.then_some(Self {
            longitude,
            latitude,
        })
    }
}
