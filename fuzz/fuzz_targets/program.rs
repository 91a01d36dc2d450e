//! See `towline_fuzz::program`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::program::check(data));
