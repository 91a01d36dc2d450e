//! See `towline_fuzz::context`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::context::check(data));
