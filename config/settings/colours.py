"""The colours of the back office: warm greys, and the red of an account book's cover."""

COLOURS = {
    "base": {
        "50": "#fafaf9", "100": "#f5f5f4", "200": "#e7e5e4", "300": "#d6d3d1", "400": "#a8a29e", "500": "#78716c",
        "600": "#57534e", "700": "#44403c", "800": "#292524", "900": "#1c1917", "950": "#0c0a09",
    },
    "primary": {
        "50": "#fbf3f3", "100": "#f6e2e3", "200": "#ecc7ca", "300": "#dd9fa4", "400": "#c66c74", "500": "#a8434e",
        "600": "#8a1f2b", "700": "#741a24", "800": "#5f161e", "900": "#4c1218", "950": "#2e090e",
    },
}  # fmt: skip
