;; Grows two tables until no element is left.
(table $one 0 funcref)
(table $two 0 funcref)
(func $attack (result i32)
    (loop $more
        (drop (table.grow $one (ref.null func) (i32.const 1000)))
        (br_if $more (i32.ne (i32.const -1) (table.grow $two (ref.null func) (i32.const 1000)))))
    unreachable)
