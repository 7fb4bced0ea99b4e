//! The one list of keys: every section names its keys once, and reading, comparing and explaining
//! are three visitors of that list.

/// A part of the configuration that has keys.
pub(crate) trait Section {
    /// Shows every key to `visitor`, in the order of the documentation.
    fn visit(&mut self, visitor: &mut dyn Visitor);
}

/// A list of sections, or one that may be absent.
pub(crate) trait Sections {
    /// How many there may be.
    fn count_max(&self) -> usize;
    /// How many there are.
    fn count(&self) -> usize;
    /// Makes them `count` fresh ones.
    fn reset(&mut self, count: usize);
    /// One of them.
    fn at(&mut self, index: usize) -> &mut dyn Section;
}

/// What can be done with a key.
pub(crate) trait Visitor {
    /// A key with a default.
    fn setting(&mut self, key: &'static str, setting: &mut dyn Setting);
    /// A key that must be there when its section is.
    fn required(&mut self, key: &'static str, setting: &mut dyn Setting);
    /// A key whose value never shows, and which may be given as `<key>_file`.
    fn secret(&mut self, key: &'static str, setting: &mut dyn Setting);
    /// A secret that must be there when its section is.
    fn required_secret(&mut self, key: &'static str, setting: &mut dyn Setting);
    /// A table.
    fn section(&mut self, key: &'static str, section: &mut dyn Section);
    /// A list of tables, or a table that may be absent.
    fn sections(&mut self, key: &'static str, sections: &mut dyn Sections);
}

/// The value of one key.
pub(crate) trait Setting {
    /// Takes the value, or says what is allowed.
    fn set(&mut self, raw: &Raw) -> Result<(), Refused>;
    /// What is allowed, to follow "expected".
    fn expected(&self) -> String;
    /// A text that differs when the value differs, and does not give a secret away.
    fn fingerprint(&self) -> String;
}

/// Why a value is not taken.
pub(crate) enum Refused {
    /// What is allowed in its place.
    Value(String),
    /// The elements of the list that are not allowed, by their numbers, and what is.
    Elements(Vec<(usize, toml::Value)>, &'static str),
}

/// A value before it is understood. May be a secret, so it has no `Debug`.
#[derive(Clone)]
pub(crate) enum Raw {
    /// From the file: it has a type.
    Typed(toml::Value),
    /// From the environment or from a secret's file: it is whatever is expected.
    Text(String),
}

impl<T: Section + Default> Sections for Vec<T> {
    fn count_max(&self) -> usize {
        usize::MAX
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn reset(&mut self, count: usize) {
        self.clear();
        self.resize_with(count, T::default);
    }

    fn at(&mut self, index: usize) -> &mut dyn Section {
        &mut self[index]
    }
}

impl<T: Section + Default> Sections for Option<T> {
    fn count_max(&self) -> usize {
        1
    }

    fn count(&self) -> usize {
        usize::from(self.is_some())
    }

    fn reset(&mut self, count: usize) {
        *self = (0 < count).then(T::default);
    }

    fn at(&mut self, _index: usize) -> &mut dyn Section {
        self.get_or_insert_default()
    }
}
