"""The drawing of Demucs (its ICLR 2020 submission, Fig. 1)."""

from Models.Drawing import ModelSheet


def draw_network(sheet: ModelSheet) -> None:
    """Draw a Demucs; each level is a row, and the LSTM is the bottom of the U."""
    settings = sheet.settings
    rewritten = "gates" if settings.glu else "rewrite"
    encoder, decoder = "convolution", "transposed"
    if settings.rewrite == "all":
        encoder += f" · {rewritten}"
    if settings.rewrite != "none":
        decoder = f"{rewritten} · {decoder}"
    mix = sheet.draw_layers("mix", "mix", "", 0, 0)
    sources = sheet.draw_layers("output_sources", " · ".join(settings.sources), "", 2, 0)
    down, up = [mix], [sources]
    for level in range(1, settings.num_layers + 1):
        name = f"{level:02d}"
        down.append(
            sheet.draw_layers(f"encoder_{name}", f"encoder {level} · {encoder}", "conv", 0, level)
        )
        up.append(
            sheet.draw_layers(f"decoder_{name}", f"decoder {level} · {decoder}", "conv", 2, level)
        )
        sheet.draw_arrows(f"skip_{name}", [down[-1], up[-1]])
    bottom = None
    if settings.lstm_layers:
        title = f"bidirectional LSTM, layers: {settings.lstm_layers}"
        bottom = sheet.draw_layers("lstm", title, "linear", 1, settings.num_layers + 1)
    sheet.draw_u(down, bottom, up)
