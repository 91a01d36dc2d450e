module towline.invalid/go

go 1.24
