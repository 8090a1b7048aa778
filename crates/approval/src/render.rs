//! Lines of the review screen. All text that is not ours goes through [`visible`].

use serde_json::Value;

use crate::visible::visible;

const LABEL: usize = 12;

/// A screen under construction.
#[derive(Default)]
pub(crate) struct Screen(String);

impl Screen {
    pub(crate) fn heading(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// A label of ours and a text of anybody's: on the label's line, or below it in a frame when
    /// it has several lines.
    pub(crate) fn field(&mut self, label: &str, text: &str) {
        if text.contains('\n') {
            let lines = text.split('\n').count();
            self.0.push_str(&format!("  {label:<LABEL$} {lines} lines, {} bytes\n", text.len()));
            self.block(text);
        } else {
            self.0.push_str(format!("  {label:<LABEL$} {}", visible(text)).trim_end());
            self.0.push('\n');
        }
    }

    /// A label and a sentence of ours, in which other people's text is made visible already.
    pub(crate) fn own(&mut self, label: &str, text: &str) {
        self.0.push_str(&format!("  {label:<LABEL$} {text}\n"));
    }

    /// Text in a frame, line by line.
    pub(crate) fn block(&mut self, text: &str) {
        for line in text.split('\n') {
            self.0.push_str(format!("  │ {}", visible(line)).trim_end());
            self.0.push('\n');
        }
    }

    /// Every value in `value`, each under its own label; nothing is left out, whatever is added to
    /// a tool's arguments one day.
    pub(crate) fn value(&mut self, label: &str, value: &Value) {
        match value {
            Value::String(text) => self.field(label, text),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.field(label, &value.to_string()),
            Value::Array(items) if items.is_empty() => self.field(label, "(empty list)"),
            Value::Object(map) if map.is_empty() => self.field(label, "(empty)"),
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    let label =
                        if items.len() == 1 { label.to_owned() } else { format!("{label} {}", at + 1) };
                    self.value(&label, item);
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    let key = visible(key);
                    let label = if label.is_empty() { key } else { format!("{label} {key}") };
                    self.value(&label, item);
                }
            }
        }
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_left_out_also_where_there_is_nothing() {
        let mut screen = Screen::default();
        screen.value("", &json!({"cc": [], "extra": {}, "to": ["a", "b"], "bcc": ["c"], "urgent": true}));
        let said: Vec<String> = screen.finish().lines().map(plain).collect();
        let expected = ["cc (empty list)", "extra (empty)", "to 1 a", "to 2 b", "bcc c", "urgent true"];
        assert_eq!(said, expected);
    }

    fn plain(line: &str) -> String {
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
