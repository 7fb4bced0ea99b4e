//! What is published: a template filled up to one exact size.

use crate::server::publish::{Publish, Way};
use crate::template::Template;

/// Ten characters hold more messages than any run publishes, and keep all messages the same size.
const SEQ_DIGITS: usize = 9;

/// A message to be published, but for its number.
#[derive(Clone, Debug)]
pub(super) struct Message {
    template: Template,
    pad: String,
    way: Way,
}

/// What a message is published for; the first character of its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// To find out who is subscribed.
    Probe,
    /// To mark the end of the probes.
    Fence,
    /// To be measured.
    Load,
}

impl Message {
    /// The template, with {pad} as long as it takes to make `bytes` of it.
    pub(super) fn new(template: &Template, bytes: usize) -> Result<Self, String> {
        let bare = template.expand(0, &number(Purpose::Load, 0), "").len();
        if bare == bytes {
            return Ok(Self::bare(template));
        }
        if !template.has_pad() {
            return Err(format!(
                "--message makes {bare} bytes and has no {{pad}} to make {bytes} of it (--bytes)"
            ));
        }
        let missing = bytes.checked_sub(bare).ok_or_else(|| {
            format!("--bytes {bytes}: the message alone takes {bare}, without {{pad}}")
        })?;
        if template.expand(0, "", "x").len() - template.expand(0, "", "").len() != 1 {
            return Err("--message has {pad} more than once".to_owned());
        }
        Ok(Self {
            pad: "x".repeat(missing),
            ..Self::bare(template)
        })
    }

    /// What is published that way, with {pad} as long as it takes to make a delivery of `bytes`.
    pub(super) fn published(publish: &Publish, bytes: usize) -> Result<Self, String> {
        let length = bytes.checked_add_signed(publish.grows.saturating_neg());
        let length = length.ok_or_else(|| format!("--bytes {bytes}: the server adds more"))?;
        Ok(Self {
            way: publish.way.clone(),
            ..Self::new(&publish.message, length)?
        })
    }

    /// The template as it stands, with an empty {pad}.
    pub(super) fn bare(template: &Template) -> Self {
        Self {
            template: template.clone(),
            pad: String::new(),
            way: Way::Frame,
        }
    }

    /// Appends one message as it is sent.
    pub(super) fn encode(&self, out: &mut Vec<u8>, purpose: Purpose, sequence: u64) {
        self.way.encode(out, &self.text(purpose, sequence));
    }

    /// The text of one message.
    pub(super) fn text(&self, purpose: Purpose, sequence: u64) -> String {
        self.template
            .expand(0, &number(purpose, sequence), &self.pad)
    }

    /// Whether messages can be told apart.
    pub(super) fn has_number(&self) -> bool {
        self.template.has_seq()
    }
}

/// What stands for {seq}.
pub(super) fn number(purpose: Purpose, sequence: u64) -> String {
    let letter = match purpose {
        Purpose::Probe => 'p',
        Purpose::Fence => 'f',
        Purpose::Load => 'm',
    };
    let sequence = sequence % 10_u64.pow(SEQ_DIGITS as u32);
    format!("{letter}{sequence:0SEQ_DIGITS$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_the_size_asked_for() {
        let message =
            Message::new(&Template::new(r#"{"seq":"{seq}","pad":"{pad}"}"#), 128).unwrap();
        for sequence in [0, 7, 999_999_999, u64::MAX] {
            assert_eq!(message.text(Purpose::Load, sequence).len(), 128);
        }
        assert!(message.text(Purpose::Fence, 5).contains("f000000005"));
    }

    #[test]
    fn what_the_server_adds_is_not_published() {
        let length = |grows| {
            let publish = Publish {
                message: Template::new("{seq}{pad}"),
                way: Way::Frame,
                grows,
            };
            let message = Message::published(&publish, 128)?;
            Ok::<_, String>(message.text(Purpose::Load, 0).len())
        };
        assert_eq!((length(28), length(-2)), (Ok(100), Ok(130)));
        assert!(length(129).is_err());
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let refused = |text: &str, bytes| Message::new(&Template::new(text), bytes).unwrap_err();
        assert!(refused("{seq}{pad}", 9).contains("takes 10"));
        assert!(refused("{seq}", 128).contains("no {pad}"));
        assert!(refused("{pad}{pad}", 128).contains("more than once"));
        assert!(Message::new(&Template::new("{seq}"), 10).is_ok());
    }
}
