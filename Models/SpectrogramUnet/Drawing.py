"""The drawing of the spectrogram U-Net: one U-Net per source, between STFT and masks."""

from Models.Drawing import ModelSheet
from Models.SpectrogramUnet.Settings import LEVELS


def draw_network(sheet: ModelSheet) -> None:
    """Draw a spectrogram U-Net.

    Only the U-Net of the first source is drawn; a text in its frame names all sources.
    """
    sources = sheet.settings.sources
    first = sources[0]
    down = [
        sheet.draw_layers("mix", "mix", "", 0, 0),
        sheet.draw_layers("input_stft", "STFT", "", 0, 1),
        sheet.draw_layers("input_log", "log magnitudes", "", 0, 2),
    ]
    up = [
        sheet.draw_layers("output_masks", "masks, one per source, × STFT", "", 2, 1),
        sheet.draw_layers(f"output_{first}", "mask · transposed convolution", "conv", 2, 2),
    ]
    sheet.draw_arrows("skip_stft", [down[1], up[0]])
    for level in range(1, LEVELS):
        name, row = f"{level:02d}_{first}", level + 2
        down.append(
            sheet.draw_layers(f"encoder_{name}", f"encoder {level} · convolution", "norm", 0, row)
        )
        title = f"decoder {level} · transposed convolution"
        up.append(sheet.draw_layers(f"decoder_{name}", title, "norm", 2, row))
        sheet.draw_arrows(f"skip_{level:02d}", [down[-1], up[-1]])
    name, title = f"encoder_{LEVELS:02d}_{first}", f"encoder {LEVELS} · convolution"
    bottom = sheet.draw_layers(name, title, "norm", 1, LEVELS + 2)
    sheet.draw_u(down, bottom, up)
    outputs = [
        sheet.draw_layers(f"output_{source}_istft", f"{source} · inverse STFT", "", 3, row)
        for row, source in enumerate(sources, 1)
    ]
    sheet.draw_fan(up[0], outputs)
    text = f"a U-Net of this form for each of: {', '.join(sources)}"
    sheet.draw_frame(
        down[2].point_at(0, 0), (up[0].point_at(1, 0)[0], bottom.point_at(0, 1)[1] + 22), text
    )
