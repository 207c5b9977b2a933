;; Fills a table of 100,000 elements for ever.
(table $one 99000 funcref)
(func $attack (result i32)
    (loop $more (table.fill $one (i32.const 0) (ref.null func) (i32.const 99000)) (br $more))
    unreachable)
