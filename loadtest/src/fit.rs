//! A straight line through points: is something growing, and how sure is that?

use serde::Serialize;

/// How steep the line is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Slope {
    /// What is added with each unit of the first coordinate.
    pub slope: f64,
    /// Its standard error: in two of three cases the true one is no further away, if points do not depend on each other.
    pub error: f64,
}

impl Slope {
    /// The line with the least squares of the distances; `None` through less than three points, or points above each
    /// other.
    #[must_use]
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len() as f64;
        if points.len() < 3 {
            return None;
        }
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
        let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            points.iter().map(|(x, y)| of(x - x_mean, y - y_mean)).sum()
        };
        let spread = sum(&|x, _| x * x);
        if spread <= 0.0 {
            return None;
        }
        let slope = sum(&|x, y| x * y) / spread;
        let rest = sum(&|x, y| (y - slope * x).powi(2));
        Some(Self {
            slope,
            error: (rest / (count - 2.0) / spread).sqrt(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_points_make_no_line() {
        assert_eq!(Slope::through(&[(0.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(Slope::through(&[(1.0, 1.0); 5]), None);
    }

    #[test]
    fn the_error_is_that_of_the_textbook() {
        let points = [(1.0, 2.0), (2.0, 3.0), (3.0, 5.0), (4.0, 4.0), (5.0, 6.0)];
        let slope = Slope::through(&points).unwrap();
        assert!((slope.slope - 0.9).abs() < 1e-9, "{slope:?}");
        assert!(
            (slope.error - (1.9_f64 / 3.0 / 10.0).sqrt()).abs() < 1e-9,
            "{slope:?}"
        );
    }

    proptest! {
        #[test]
        fn a_line_is_found_again(steepness in -1e3..1e3_f64, offset in -1e6..1e6_f64, count in 3..50_u32) {
            let points: Vec<_> = (0..count).map(|x| (f64::from(x), offset + steepness * f64::from(x))).collect();
            let slope = Slope::through(&points).unwrap();
            prop_assert!((slope.slope - steepness).abs() < 1e-6);
            prop_assert!(slope.error < 1e-6);
        }
    }
}
