;; Asks for a table of 2^31 elements, for ever.
(table $one 0 funcref)
(func $attack (result i32)
    (loop $more (drop (table.grow $one (ref.null func) (i32.const 0x7fffffff))) (br $more))
    unreachable)
