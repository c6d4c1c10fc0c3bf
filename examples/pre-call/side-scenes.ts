import type { Browser } from 'playwright-core';
import { enrol, type Looks, startOnDesk } from './drive.ts';
import type { Studio } from './scenes.ts';

// The page that shows phone and desk side by side.

const OTHER = 'C-51764';
const PIN = '508362';

export async function shootSideBySide(
  browser: Browser,
  { demo, shoot }: Studio,
  looks: Looks,
): Promise<void> {
  for (const [name, viewport] of [
    ['side', { width: 1440, height: 900 }],
    ['side-narrow', { width: 600, height: 900 }],
  ] as const) {
    const page = await browser.newPage({ ...looks, viewport, hasTouch: true });
    await page.goto(demo.desk);
    const phone = page.frameLocator('.phone iframe');
    const desk = page.frameLocator('.desk iframe');
    await phone.locator('button.row').first().waitFor();
    await desk.locator('#start').waitFor();
    await shoot(page, name);
    if (name === 'side') {
      await enrol(phone, OTHER, PIN);
      await startOnDesk(desk, OTHER, { purpose: 'limit limit' });
      await phone.locator('#accept').waitFor();
      await shoot(page, 'side-call');
    }
    await page.close();
  }
}
