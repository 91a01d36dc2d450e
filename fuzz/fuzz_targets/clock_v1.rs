//! See `towline_fuzz::clock_v1`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::clock_v1::check(data));
