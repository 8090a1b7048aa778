//! A source per channel, made into new tasks; watermark and de-duplication per source.
