//! Coordinates of Chinese maps, and what they are by WGS-84.
//!
//! Maps of China are shifted by some hundred metres: GCJ-02, and BD-09 of Baidu on top of it. The
//! formulas are those that all open implementations share (`eviltransform`, `coordtransform`). They
//! lead from WGS-84 to the map; the way back is found step by step, to less than a millimetre.

use std::f64::consts::PI;

use super::settings::Coordinates;
use crate::position::Position;

/// Radius of the earth, in metres, as the formulas have it.
const EARTH_RADIUS: f64 = 6_378_137.0;
/// Square of the eccentricity of the ellipsoid of Krasovsky.
const ECCENTRICITY_SQUARED: f64 = 0.006_693_421_622_965_943;
/// What the waves of BD-09 are counted in, per degree.
const BAIDU_WAVE: f64 = PI * 3000.0 / 180.0;
/// Shift of BD-09 to the east and to the north, in degrees.
const BAIDU_SHIFT: (f64, f64) = (0.0065, 0.006);
/// Steps of the way back; each leaves less than a twentieth of the error.
const STEPS: usize = 10;

/// The place that a phone reports as `longitude` and `latitude`, by WGS-84. Outside of China nothing is
/// shifted. `None`: there is no such place.
pub(super) fn position(
    coordinates: Coordinates,
    longitude: f64,
    latitude: f64,
) -> Option<Position> {
    let reported = Position::new(longitude, latitude)?;
    let place = (longitude, latitude);
    let (longitude, latitude) = match coordinates {
        Coordinates::None => return Some(reported),
        _ if !is_in_china(place) => return Some(reported),
        Coordinates::Gcj02 => inverse(gcj02, place),
        Coordinates::Bd09 => inverse(gcj02, inverse(baidu, place)),
    };
    Position::new(longitude, latitude)
}

/// The box that stands for China wherever GCJ-02 is computed.
fn is_in_china((longitude, latitude): (f64, f64)) -> bool {
    (72.004..=137.8347).contains(&longitude) && (0.8293..=55.8271).contains(&latitude)
}

/// The place that `forward` leads to `goal` from. It shifts neighbours nearly alike, so that what is
/// missing at the end of a try is what was wrong at its beginning.
fn inverse(forward: fn((f64, f64)) -> (f64, f64), goal: (f64, f64)) -> (f64, f64) {
    let mut place = goal;
    for _ in 0..STEPS {
        let reached = forward(place);
        place.0 += goal.0 - reached.0;
        place.1 += goal.1 - reached.1;
    }
    place
}

/// From WGS-84 to GCJ-02, within China.
fn gcj02((longitude, latitude): (f64, f64)) -> (f64, f64) {
    let (east, north) = shift(longitude - 105.0, latitude - 35.0);
    let radians = latitude.to_radians();
    let flattening = 1.0 - ECCENTRICITY_SQUARED * radians.sin().powi(2);
    let meridian = EARTH_RADIUS * (1.0 - ECCENTRICITY_SQUARED) / flattening.powf(1.5);
    let parallel = EARTH_RADIUS / flattening.sqrt() * radians.cos();
    (
        longitude + (east / parallel).to_degrees(),
        latitude + (north / meridian).to_degrees(),
    )
}

/// How far GCJ-02 shifts a place, in metres; the place in degrees from the middle of China.
fn shift(x: f64, y: f64) -> (f64, f64) {
    let wave = |times: f64, angle: f64| times * (angle * PI).sin();
    let ripple = wave(20.0, 6.0 * x) + wave(20.0, 2.0 * x);
    let root = x.abs().sqrt();
    let east = ripple
        + wave(20.0, x)
        + wave(40.0, x / 3.0)
        + wave(150.0, x / 12.0)
        + wave(300.0, x / 30.0);
    let north = ripple
        + wave(20.0, y)
        + wave(40.0, y / 3.0)
        + wave(160.0, y / 12.0)
        + wave(320.0, y / 30.0);
    (
        300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + east * 2.0 / 3.0,
        -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + north * 2.0 / 3.0,
    )
}

/// From GCJ-02 to BD-09.
fn baidu((longitude, latitude): (f64, f64)) -> (f64, f64) {
    let radius = longitude.hypot(latitude) + 0.000_02 * (latitude * BAIDU_WAVE).sin();
    let angle = latitude.atan2(longitude) + 0.000_003 * (longitude * BAIDU_WAVE).cos();
    let (sin, cos) = angle.sin_cos();
    (radius * cos + BAIDU_SHIFT.0, radius * sin + BAIDU_SHIFT.1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A centimetre is a ten millionth of a degree, nearly.
    const CENTIMETRE: f64 = 1e-7;

    /// Latitude and longitude by WGS-84, GCJ-02 and BD-09: outputs of `wgs2gcj` and `gcj2bd` of the
    /// Python package `eviltransform` 0.1.1. The first three places by WGS-84 are those of its own tests.
    const PLACES: [[(f64, f64); 3]; 6] = [
        // Shanghai
        [
            (31.1774276, 121.5272106),
            (31.175303947687105, 121.53154193255554),
            (31.181328572308576, 121.53801575941115),
        ],
        // Shenzhen
        [
            (22.543847, 113.912316),
            (22.54079608003489, 113.91717656313807),
            (22.546667384715565, 113.92368481181168),
        ],
        // Beijing
        [
            (39.911954, 116.377817),
            (39.91334547892198, 116.38404733005198),
            (39.91957557595129, 116.39045481809535),
        ],
        // Urumqi
        [
            (43.825592, 87.616848),
            (43.826797456559056, 87.61969804649388),
            (43.83294129013925, 87.6261481505027),
        ],
        // Harbin
        [
            (45.803775, 126.534967),
            (45.805756648469014, 126.54100756954925),
            (45.81137091339157, 126.5476264514777),
        ],
        // Sanya
        [
            (18.252847, 109.511909),
            (18.25114171982829, 109.51599334056172),
            (18.256923604166463, 109.52254085879564),
        ],
    ];

    #[track_caller]
    fn check(coordinates: Coordinates, from: (f64, f64), expect: (f64, f64)) {
        let found = position(coordinates, from.1, from.0).unwrap();
        let off = (found.latitude - expect.0, found.longitude - expect.1);
        assert!(
            off.0.hypot(off.1) < CENTIMETRE,
            "{coordinates:?} {from:?} {found:?}"
        );
    }

    #[test]
    fn gcj02_is_converted_to_wgs84() {
        for [wgs84, gcj02, _] in PLACES {
            check(Coordinates::Gcj02, gcj02, wgs84);
        }
    }

    #[test]
    fn bd09_is_converted_to_wgs84() {
        for [wgs84, _, bd09] in PLACES {
            check(Coordinates::Bd09, bd09, wgs84);
        }
    }

    #[test]
    fn wgs84_is_taken_as_it_is() {
        for [wgs84, _, _] in PLACES {
            let (latitude, longitude) = wgs84;
            assert_eq!(
                position(Coordinates::None, longitude, latitude),
                Some(Position {
                    longitude,
                    latitude
                })
            );
        }
    }

    #[test]
    fn nothing_is_shifted_outside_of_china() {
        // London, New York, Sydney, and the corners of what can be reported.
        for place in [
            (51.5074, -0.1278),
            (40.7128, -74.006),
            (-33.8688, 151.2093),
            (85.05, 180.0),
            (-85.05, -180.0),
        ] {
            check(Coordinates::Gcj02, place, place);
            check(Coordinates::Bd09, place, place);
        }
    }

    #[test]
    fn what_is_no_place_is_none() {
        for coordinates in [Coordinates::Gcj02, Coordinates::Bd09, Coordinates::None] {
            for (latitude, longitude) in [
                (0.0, 180.001),
                (0.0, -180.001),
                (85.0512, 0.0),
                (-85.0512, 0.0),
                (f64::NAN, 0.0),
                (0.0, f64::INFINITY),
            ] {
                assert_eq!(position(coordinates, longitude, latitude), None);
            }
        }
        assert!(position(Coordinates::None, -180.0, 0.0).is_some());
    }

    proptest! {
        #[test]
        fn the_way_back_is_the_way_there(longitude in 73.0..137.0f64, latitude in 1.0..55.0f64) {
            let place = (longitude, latitude);
            let off = |found: (f64, f64)| (found.0 - place.0).hypot(found.1 - place.1);
            prop_assert!(off(inverse(gcj02, gcj02(place))) < CENTIMETRE / 10.0);
            prop_assert!(off(inverse(baidu, baidu(place))) < CENTIMETRE / 10.0);
        }

        #[test]
        fn whatever_is_reported_is_a_place_or_none(longitude: f64, latitude: f64) {
            for coordinates in [Coordinates::Gcj02, Coordinates::Bd09, Coordinates::None] {
                if let Some(found) = position(coordinates, longitude, latitude) {
                    prop_assert!((-180.0..=180.0).contains(&found.longitude));
                    prop_assert!(found.latitude.is_finite());
                }
            }
        }
    }
}
