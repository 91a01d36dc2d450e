module towline.invalid/benches/go

go 1.24

require towline.invalid/go v0.1.0

replace towline.invalid/go => ../../sdks/go
