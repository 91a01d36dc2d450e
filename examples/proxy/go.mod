module towline.invalid/examples/proxy

go 1.24
