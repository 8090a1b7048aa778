//! Numbers of things, as people write them.

/// `1 file`, `2 files`, `no files`: a noun whose plural has an s.
pub fn counted(n: usize, noun: &str) -> String {
    match n {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "file")), ["no files", "1 file", "2 files"]);
    }
}
